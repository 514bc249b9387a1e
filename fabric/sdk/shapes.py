"""Shapes: what a type checker knows of a method that ``@method`` marks. At run time it stays the author's function."""

from typing import Protocol, Self, TypeVar, overload

from fabric.sdk.context import Context

Input_contra = TypeVar("Input_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)


class Bound(Protocol[Input_contra, Output_co]):
    """A method of an instance, ready to be called."""

    def __call__(self, ctx: Context, value: Input_contra, /) -> Output_co:
        """Runs the author's function."""
        ...


class Marked(Protocol[Input_contra, Output_co]):
    """A method of a class, such as ``ColdChain.judge``. A function without ``@method`` has not this shape."""

    __cryptlet_method__: bool
    __name__: str

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> Bound[Input_contra, Output_co]: ...
