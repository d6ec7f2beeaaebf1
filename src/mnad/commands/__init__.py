"""One typed function per command: its signature is the command line, the YAML file and the help.

Nothing heavy is imported before a function runs, so that asking for help is quick.
"""
