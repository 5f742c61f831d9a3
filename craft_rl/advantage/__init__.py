"""Advantage estimators as pure functions of tensors."""
