"""The board as one HTML page: what it shows (`view`, `charts`), and its templates."""
