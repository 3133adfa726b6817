"""From landed pages to raw tables."""
