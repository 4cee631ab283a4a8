from django.apps import AppConfig


class BitcoinGameConfig(AppConfig):
    name = "bitcoingame"
