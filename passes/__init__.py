"""What may be done to a program: passes, rewrite rules, pipelines and the manager that runs them."""
