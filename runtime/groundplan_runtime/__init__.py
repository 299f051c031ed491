"""Run: what Lambda functions ship. `handlers/` parse, call and answer; `integrations/` hold one dependency a file."""
