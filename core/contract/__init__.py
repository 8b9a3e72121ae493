"""The words in which core and whoever drives it speak: requests in, events out, one cancel token, one error type.

Plain data only. Nothing here imports torch, Qt, or any other room of ours, so every message can be pickled, logged,
written as JSON and compared in a test.
"""
