"""What a user sets: options, their validation, URLs, API variants and the retry policy."""
