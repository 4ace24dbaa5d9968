"""The commands without their options: request in, result (a frozen dataclass) out. Nothing here prints."""
