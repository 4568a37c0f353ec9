"""The chorus of artists: several models answer one prompt, one brush paints what each wrote, and they are compared."""
