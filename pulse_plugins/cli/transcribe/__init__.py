"""`transcribe`: recordings to text, captions or JSON, many at once and resumable."""
