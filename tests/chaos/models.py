"""What happened, written where only the view's own transaction reaches."""

from django.db import models


class Effect(models.Model):
    """One thing that a request did: money that left (`pay`), or a proof that was counted (`proved`)."""

    kind = models.CharField(max_length=16)
    user_pk = models.CharField(max_length=64)
    asked = models.CharField(max_length=64, blank=True)  # the id that the client gave its request
    challenge = models.CharField(max_length=64)  # the ledger's row that let it through

    def __str__(self) -> str:
        return f"{self.kind} {self.challenge}"
