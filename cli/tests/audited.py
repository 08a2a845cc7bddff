"""An organisation's archive in which everything is that a report can show."""

from pathlib import Path
from typing import Any

from cli.tests.copies import Copy
from contracts.tests.sealed_archive import AT, DAY_MS, SOURCE, Archive, SealingKey

from logferry_contracts.statement import Difference, Statement, Waiver
from logferry_contracts.window import Window

MARKUP = "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>"
BIDI = "invoice\u202egpj.exe\u2066 \u05d0\u05d1\u05d2"
LONG = "a" * 250
WAIVER = Waiver(by="arn:aws:iam::999988887777:user/anna", why=f"Its owner is gone {MARKUP}", at=AT)


def organisation(root: Path, days: int = 40) -> SealingKey:
    """Write two accounts' archive and return the key that it began with."""
    bucket, key = Copy(root), SealingKey()
    shop = Archive(bucket, key)
    window = shop.window()
    erased = shop.archived("/app/erased", window)
    shop.day([*_statements(shop, window, 0), erased], window)
    for number in range(1, days):
        window = shop.window()
        shop.day(_statements(shop, window, number), window)
        if number == days // 2:
            shop.rotate(SealingKey())
    shop.later([_disposed(shop, erased)], erased.window, reason="disposed")
    window = Window(from_ms=shop.reached_ms - 2 * DAY_MS, to_ms=shop.reached_ms - DAY_MS)
    shop.later([shop.archived("/app/late", window, generation=2)], window)
    source = SOURCE.model_copy(update={"account_id": "222233334444", "profile": "pay"})
    Archive(bucket, key, source).days(days, ["/pay/ledger", f"/pay/{LONG}"])
    return key


def _disposed(shop: Archive, erased: Statement) -> Statement:
    return shop.statement(
        erased.log_group.name,
        erased.window,
        "disposed",
        exports=erased.exports,
        objects=erased.objects,
        leftovers=erased.leftovers,
        waiver=WAIVER,
    )


def _statements(shop: Archive, window: Window, number: int) -> list[Statement]:
    def stated(name: str, outcome: str, **more: Any) -> Statement:
        return shop.statement(name, window, outcome, **more)

    found = [
        *(shop.archived(name, window) for name in ("/aws/lambda/orders", "/app/checkout")),
        stated("/aws/lambda/idle", "skipped", reason="empty"),
        stated("/ecs/scratch", "excluded", reason="selection"),
        stated("/app/late", "failed", reason="task_failed", detail="FAILED: Access denied"),
    ]
    differences = [Difference(what="size_bytes", key=BIDI, recorded="85", found="29")] * 5
    rare: dict[int, Statement] = {
        3: stated("/app/gone", "waived", waiver=WAIVER, reason="log_group_gone"),
        5: stated("/app/" + LONG, "open", detail=BIDI),
        6: stated("/app/odd", "contradicted", differences=differences),
        7: stated("/app/locked", "refused", reason="log_group_unreadable"),
        8: stated("/app/new", "from_a_later_version", detail=MARKUP),
    }
    return found + [each for day, each in rare.items() if day == number]
