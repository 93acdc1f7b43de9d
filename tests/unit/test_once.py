"""Tests leave nothing behind, though not everything is made anew for each."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

pytestmark = pytest.mark.django_db(transaction=True)
twice = pytest.mark.parametrize("turn", ["first", "second"])


@twice
def test_rows_of_one_test_are_gone_in_the_next(turn):
    Group.objects.create(name="tellers")  # names are unique


@twice
def test_a_permission_of_one_test_is_gone_in_the_next(turn):
    kind = ContentType.objects.get_for_model(Group)
    Permission.objects.create(content_type=kind, codename="audit", name="Can audit")  # unique too


@twice
def test_a_permission_that_one_test_deletes_is_there_in_the_next(turn):
    deleted, _ = Permission.objects.filter(codename="view_user").delete()
    assert deleted
