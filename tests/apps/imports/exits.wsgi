"""For WSGIImportScript: asks Python to exit."""
raise SystemExit("not at start")
