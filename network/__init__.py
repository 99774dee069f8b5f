"""Local and test networks: a chain as a child process, public test accounts, the compiler's launcher."""
