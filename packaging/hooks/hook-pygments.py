"""No languages and styles beyond those that rich names: nothing here shows source code in colours."""

hiddenimports = ["pygments.lexers._mapping", "pygments.formatters._mapping", "pygments.styles.default"]
