"""Finds the ORM calls of a Python file that write or lock rows, and their models.

A model is recognised by its name, a variable by its annotation or by what is assigned to it. Rows are not seen if they
are kept in an attribute, or if a function of another module returns them into a variable without an annotation.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Model

_WRITES = {
    *("create", "bulk_create", "get_or_create", "update_or_create", "update", "bulk_update", "delete", "save"),
    *("select_for_update", "create_user", "create_superuser", "save_base", "_raw_delete"),
}
_MANAGERS = {"objects", "_default_manager", "_base_manager"}

Models = Mapping[str, type[Model]]


class OrmWrite(NamedTuple):
    place: str
    call: str
    table: str


def orm_writes(source: str, models: Collection[type[Model]]) -> Iterator[OrmWrite]:
    """Every call in the file that writes or locks rows of one of the models."""
    module = ast.parse(source)
    named = {model.__name__: model for model in models}
    imported = {model._meta.label: model for model in models}
    imported |= {local: named[name] for local, name in _imported_names(module) if name in named}
    # As an attribute of its module (models.User), by Django's function, and as the user of a request.
    imported |= {f".{name}": model for name, model in named.items()}
    imported |= {name: get_user_model() for name in ("get_user_model", "request.user")}
    functions = dict(_functions(module, ""))
    returned = {
        place: model
        for place, function in functions.items()
        if "." not in place and (model := _annotated(function.returns, imported))
    }
    scopes = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    outside = [node for node in module.body if not isinstance(node, scopes)]
    yield from _writes_in(outside, "", imported | returned)
    for place, function in functions.items():
        yield from _writes_in([function], place, imported | returned | _parameters(function, imported))


def _imported_names(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(names=names):
                yield from ((alias.asname or alias.name, alias.name) for alias in names)
            case ast.ClassDef(name=name):
                yield name, name


def _functions(node: ast.AST, place: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods with their places. A function within another belongs to the outer one."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{place}{name}", child
            case ast.ClassDef(name=name):
                yield from _functions(child, f"{place}{name}.")
            case _:
                yield from _functions(child, place)


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef, models: Models) -> Models:
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.arg | ast.AnnAssign)]
    pairs = [(node.arg if isinstance(node, ast.arg) else ast.unparse(node.target), node.annotation) for node in nodes]
    return {name: model for name, annotation in pairs if (model := _annotated(annotation, models))}


def _annotated(annotation: ast.AST | None, models: Models) -> type[Model] | None:
    """The model of an annotation like User, User | None, QuerySet[User] or list[User]."""
    nodes = ast.walk(annotation) if annotation else ()
    names = [node.id if isinstance(node, ast.Name) else node.value for node in nodes if _is_name(node)]
    found = {models[name] for name in names if name in models}
    return found.pop() if len(found) == 1 else None


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _writes_in(nodes: Iterable[ast.AST], place: str, models: Models) -> Iterator[OrmWrite]:
    inside = [child for node in nodes for child in ast.walk(node)]
    known = _variables(inside, models)
    for node in inside:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attribute)) if attribute.removeprefix("a") in _WRITES:
                if model := _model_of(value, known):
                    yield OrmWrite(place, attribute.removeprefix("a"), model._meta.db_table)


def _variables(nodes: Iterable[ast.AST], models: Models) -> Models:
    """The given names and, added to them, variables that hold a model's rows.

    They are assigned, looped over, or unpacked from a pair.
    """
    known = dict(models)
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[target], value=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                first = target.elts[0] if isinstance(target, ast.Tuple) else target
                model = _model_of(value, known)
                if model and isinstance(first, ast.Name):
                    known[first.id] = model
    return known


def _model_of(node: ast.AST, known: Models) -> type[Model] | None:
    """The model whose rows an expression gives, followed along relations; None if it gives something else."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Call(func=ast.Attribute(attr="get_model"), args=labels):
            return known.get(".".join(label.value for label in labels if isinstance(label, ast.Constant)))
        case ast.Attribute(value=ast.Name(id="request") | ast.Attribute(attr="request"), attr="user"):
            return known.get("request.user")
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            return _model_of(value, known) or known.get(f".{name}")
        case ast.Call(func=ast.Name() as value):
            return _model_of(value, known)
        case ast.Attribute(value=value, attr=attribute):
            model = _model_of(value, known)
            if model is None:
                return known.get(f".{attribute}")
            return model if attribute in _MANAGERS else _relations(model).get(attribute)
        case ast.Subscript(value=value) | ast.Await(value=value) | ast.BinOp(left=value, op=ast.BitOr()):
            return _model_of(value, known)
    return None


def _relations(model: type[Model]) -> dict[str, type[Model]]:
    forwards = {field.name: field.related_model for field in model._meta.fields if field.is_relation}
    backwards = {relation.get_accessor_name(): relation.related_model for relation in model._meta.related_objects}
    return {name: related for name, related in (forwards | backwards).items() if isinstance(related, type)}
