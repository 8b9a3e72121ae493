"""Nothing: its JPEG, PNG and WebP libraries are not used, and it does without them."""
