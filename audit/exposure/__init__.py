"""Single examples that stick out, people who stayed, and the file of exposed ids."""
