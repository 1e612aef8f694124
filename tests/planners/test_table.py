"""Tables of problems, as other planners write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given

from refinfer.planners.problem import Buffer, Problem
from refinfer.planners.solve import Effort, solve
from refinfer.planners.table import read_instance, write_instance
from refinfer.schema.errors import UsageError
from tests.planners.problems import problems


@given(problems())
def test_what_is_written_is_read_again(problem: Problem) -> None:
    plain = problem._replace(overlaps=())
    offsets = solve(plain, Effort(1, 10)).offsets
    assert read_instance(write_instance(plain)).problem == plain
    assert read_instance(write_instance(plain, offsets)).offsets == offsets


def test_a_row_is_a_buffer_with_the_step_after_its_last() -> None:
    instance = read_instance("id,lower,upper,size\nb1,0,3,16\nb2,3,4,32\n")
    assert instance == (Problem((Buffer(16, 0, 2), Buffer(32, 3, 3))), ("b1", "b2"), None)


def test_the_older_names_of_columns_are_known_and_an_end_is_the_last_step() -> None:
    instance = read_instance("buffer_id,start,end,size,offset\r\n7,0,3,16,48\r\n")
    assert instance == (Problem((Buffer(16, 0, 3),)), ("7",), (48,))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: 0 columns for 'id'; expected one"),
        ("id,lower,upper\n", "line 1: 0 columns for 'size'; expected one"),
        ("id,lower,start,upper,size\n", "line 1: 2 columns for 'lower'; expected one"),
        ("id,lower,upper,size\n1,2,3\n", "line 2: 3 fields; the first line has 4"),
        ("id,lower,upper,size\n1,0,1,x\n", "line 2: size 'x' is not a whole number"),
        ("id,lower,upper,size\n1,0,1,-16\n", "line 2: -16 bytes from step 0 to 0; expected 0 or more, and some steps"),
        ("id,lower,upper,size\n1,4,4,16\n", "line 2: 16 bytes from step 4 to 3; expected 0 or more, and some steps"),
        (
            "id,lower,upper,size,alignment\n1,0,1,16,32\n",
            "line 2: alignment 32; only one that the size of 16 has is planned with",
        ),
        (
            "id,lower,upper,size,gaps\n1,0,9,16,2-3\n",
            "line 2: gaps '2-3'; only lives without gaps are planned with",
        ),
    ],
)
def test_what_is_no_problem_of_ours_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_instance(text)
    assert str(refusal.value) == complaint
