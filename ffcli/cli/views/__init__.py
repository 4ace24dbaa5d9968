"""What the commands show: tables, charts and live views."""
