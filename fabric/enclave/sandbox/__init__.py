"""What makes a container: kernel calls, root folder, lock, zygote, attacks. Standard library, core and SDK only."""
