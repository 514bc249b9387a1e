"""All that an author of a cryptlet imports. Light: pydantic and the core, no IO.

A cryptlet is an ordinary class; each public method takes a typed input and gives a typed output::

    class Greeter(Cryptlet):
        @method
        def greet(self, ctx: Context, person: Person) -> Greeting: ...
"""

from fabric.core.errors import AuthorError
from fabric.sdk.context import Context
from fabric.sdk.cryptlet import ContractCryptlet, Cryptlet, InvalidInput, method

__all__ = ["AuthorError", "Context", "ContractCryptlet", "Cryptlet", "InvalidInput", "method"]
