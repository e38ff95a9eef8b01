"""What everything else stands on: data sets, who was trained on what, views of an image, files."""
