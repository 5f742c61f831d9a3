"""Policies as ordinary Hugging Face models."""
