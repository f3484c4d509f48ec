"""The command line: compose a configuration, call one function, print. No logic of its own."""
