"""The speech recognizers of the local server, and the contract that each of them fulfils."""
