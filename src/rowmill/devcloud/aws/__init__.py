"""What MiniStack is taught: it runs in MiniStack's process, where nothing else of Rowmill is importable."""
