"""Keeps every archived object under the archive key and on legal hold."""
