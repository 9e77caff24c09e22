"""The Fortran module of negfadj.h: an ISO_C_BINDING interface for each of its functions."""

from __future__ import annotations

from .c_interface_prototypes import Parameter, Prototype, constants, prototypes

TYPES = {
    "negfadj_complex": "complex(c_double_complex)",
    "double": "real(c_double)",
    "int": "integer(c_int)",
    "int64_t": "integer(c_int64_t)",
    "negfadj_device": "type(c_ptr)",
    "negfadj_result": "type(c_ptr)",
}

HEAD = """\
! negfadj: quantum transport with gradients. Interfaces of negfadj.h, where the functions are explained.
!
! Handles are type(c_ptr). Optional arrays may be left out; their length is then not read. With
! layout = NEGFADJ_COLUMN_MAJOR matrices are Fortran's own. Compile this file together with the program.
module negfadj
  use, intrinsic :: iso_c_binding
  implicit none
  private :: last_error
"""

LAST_ERROR = """\
    function last_error(message, capacity) result(length) bind(c, name="negfadj_last_error")
      import :: c_char, c_size_t
      character(kind=c_char), intent(out) :: message(*)
      integer(c_size_t), value :: capacity
      integer(c_size_t) :: length
    end function
"""

MESSAGE = """\
contains

  ! The message of this thread's last call that failed.
  function negfadj_message() result(text)
    character(len=:), allocatable :: text
    character(kind=c_char) :: buffer(4096)
    integer(c_size_t) :: length, i

    length = min(last_error(buffer, size(buffer, kind=c_size_t)), size(buffer, kind=c_size_t) - 1)
    allocate(character(len=length) :: text)
    do i = 1, length
      text(i:i) = buffer(i)
    end do
  end function
end module
"""


def fortran_module() -> str:
    """The text of negfadj.f90."""
    named = "".join(f"  integer(c_int), parameter :: {name} = {value}\n" for name, value in constants().items())
    interfaces = "\n".join(_interface(prototype) for prototype in prototypes())
    return f"{HEAD}\n{named}\n  interface\n{interfaces}\n{LAST_ERROR}  end interface\n\n{MESSAGE}"


def _interface(prototype: Prototype) -> str:
    arguments = ", &\n        ".join(p.name for p in prototype.parameters)
    kinds = ", ".join(sorted({TYPES[p.type].rstrip(")").split("(")[1] for p in prototype.parameters} | {"c_int"}))
    lines = [
        f'    function {prototype.name}({arguments}) &\n        result(code) bind(c, name="{prototype.name}")',
        f"      import :: {kinds}",
        *(f"      {_declaration(p)}" for p in prototype.parameters),
        "      integer(c_int) :: code",
        "    end function",
    ]
    return "\n".join(lines) + "\n"


def _declaration(parameter: Parameter) -> str:
    words = [TYPES[parameter.type]]
    if not parameter.is_pointer:
        words.append("value")
    else:
        words.append("intent(inout)" if parameter.is_output else "intent(in)")
    if parameter.is_optional:
        words.append("optional")
    return f"{', '.join(words)} :: {parameter.name}{'(*)' if parameter.is_array else ''}"
