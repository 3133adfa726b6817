"""A year of listening as a story: as a page, as a file, as a picture to share."""
