"""What keeps the house in order: it touches no play."""
