"""What other tools read: JUnit, SARIF, in-toto and Markdown."""
