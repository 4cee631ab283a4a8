"""Finds the texts in a Python file: as written, joined with +, or built by f-strings from the module's constants."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

HOLE = "{}"


class Text(NamedTuple):
    """`place` is the name to which the text is assigned, or the function or class around it."""

    place: str
    text: str


def texts_of(source: str) -> Iterator[Text]:
    """Every text of a module except docstrings. A value that an f-string takes from elsewhere becomes a HOLE."""
    module = ast.parse(source)
    yield from _walk(module, "", _constants(module))


def _constants(module: ast.Module) -> dict[str, str]:
    known: dict[str, str] = {}
    for statement in module.body:
        for name in _assigned_names(statement):
            text = _fold(statement.value, known)
            if text is not None:
                known[name] = text
    return known


def _walk(node: ast.AST, place: str, known: dict[str, str]) -> Iterator[Text]:
    if is_docstring(node):
        return
    place = _place(node, place)
    text = _fold(node, known)
    if text is not None:
        yield Text(place, text)
    for child in _unfolded(node) if text is not None else ast.iter_child_nodes(node):
        yield from _walk(child, place, known)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _place(node: ast.AST, place: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return f"{place}.{node.name}".lstrip(".")
    names = _assigned_names(node)
    return names[0] if names and not place else place


def _assigned_names(node: ast.AST) -> list[str]:
    match node:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.AST()):
            return [name]
    return []


def _fold(node: ast.AST | None, known: dict[str, str]) -> str | None:
    """The text that an expression gives, None if it gives none."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_fold(part, known) or "" for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)) if name in known:
            return known[name]
        case ast.FormattedValue():
            return HOLE
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _join(_fold_operand(left, known), _fold_operand(right, known))
        case ast.BinOp(left=left, op=ast.Mod()):
            return _fold(left, known)
    return None


def _fold_operand(node: ast.AST, known: dict[str, str]) -> str | None:
    return known.get(node.id) if isinstance(node, ast.Name) else _fold(node, known)


def _join(left: str | None, right: str | None) -> str | None:
    if left is None and right is None:
        return None
    return (HOLE if left is None else left) + (HOLE if right is None else right)


def _unfolded(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a text that are expressions. They may hold texts of their own."""
    match node:
        case ast.JoinedStr(values=parts):
            yield from (part.value for part in parts if isinstance(part, ast.FormattedValue))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from (*_unfolded(left), *_unfolded(right))
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            yield from (*_unfolded(left), right)
        case ast.Constant() | ast.FormattedValue():
            return
        case ast.AST():
            yield node
