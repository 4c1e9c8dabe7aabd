"""The state machine as plain dicts, from frozen values: what it waits for, fans out and retries."""
