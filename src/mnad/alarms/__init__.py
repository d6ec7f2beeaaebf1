"""Events told to the outside world: webhook, MQTT and a command, behind a queue on disk."""
