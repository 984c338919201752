"""For WSGIImportScript: cannot be loaded."""
raise LookupError("not at start")
