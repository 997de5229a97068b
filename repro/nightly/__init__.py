"""What has changed from run to run: comparing, watching, confirming."""
