"""What a report states: frozen dataclasses, their JSON and its schema."""
