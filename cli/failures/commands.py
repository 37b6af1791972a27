"""The commands `thingbridge failures list|show|replay|drop`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cli.aws import AppliedStack, sentence, stops_everything
from cli.errors import Failed, Interrupted, WrongUsage
from cli.failures import contents, queues
from cli.failures.contents import Entry, Group, Reading
from cli.failures.queues import Failures
from cli.options import AsJson, Profile, Region, StackName
from cli.output import count, err, fitted, out, plain, print_json, progress, say
from thingbridge.errors import ThingbridgeError

app = typer.Typer(no_args_is_help=True, help="Messages that the stack failed on.")

COLUMNS: Final = ("queue", "messages", "cause", "of", "oldest", "newest")
_SUBJECTS: Final = 3
_RATE: Final = 10.0
"""Messages per second: a tenth of what a connection of AWS IoT takes, so that others are not slowed down."""

QueueNames = Annotated[
    list[str] | None, typer.Argument(metavar="QUEUE...", help="Such as upstream_failures.", show_default=False)
]
Cause = Annotated[
    str | None, typer.Option("--cause", help="Only messages whose cause contains this text.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]


@app.command(name="list")
def list_(
    context: typer.Context,
    stack: StackName,
    names: QueueNames = None,
    cause: Cause = None,
    limit: Annotated[int, typer.Option(min=1, help="Messages to read of all queues.")] = 1000,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show what failed and why, a line for each cause."""
    applied, chosen = _open(context, stack, names, profile, region)
    waiting = {each.name: each.queue.waiting() for each in chosen}
    with progress(quiet=as_json) as bar, contents.reading(applied, chosen, cause, limit) as read:
        task = bar.add_task("reading", total=min(limit, sum(waiting.values())))
        groups = contents.grouped(_counted(read.entries(), lambda: bar.advance(task)))
    if as_json:
        print_json({"waiting": waiting, "groups": [_group(each) for each in groups]})
        return
    _show(groups, waiting)
    unread = sum(waiting.values()) - sum(group.count for group in groups)
    if unread > 0 and cause is None:
        say(
            f"{count(unread, 'message')} not read: over --limit, hidden by another command, "
            "or behind ten others of the same group"
        )
    if groups:
        say(
            "`thingbridge failures show QUEUE` shows messages; "
            "`thingbridge failures replay --dry-run` shows what a replay would do."
        )


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="QUEUE", help="Such as upstream_failures.", show_default=False)],
    stack: StackName,
    cause: Cause = None,
    limit: Annotated[int, typer.Option(min=1, help="Messages to show.")] = 10,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show messages of one queue, with cause and content, without keys."""
    applied, chosen = _open(context, stack, [name], profile, region)
    with contents.reading(applied, chosen, cause, limit) as read:
        shown = [_message(each) for each in read.entries()]
    if as_json:
        print_json(shown)
        return
    console = out()
    for each in shown:
        console.print(f"{each['sent']}  {each['subject'] or '-'}  {each['topic'] or ''}".rstrip(), soft_wrap=True)
        console.print(f"  cause: {each['cause']}", soft_wrap=True)
        console.print("  " + json.dumps(each["content"], ensure_ascii=False), soft_wrap=True)
    if not shown:
        say(f"no message{' of this cause' if cause else ''} in {name}")


@app.command()
def replay(
    context: typer.Context,
    stack: StackName,
    names: QueueNames = None,
    cause: Cause = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages to replay at most.", show_default=False)] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Messages per second.")] = _RATE,
    dry_run: DryRun = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Have messages handled again, once their cause is removed; what fails again comes back.

    A message is deleted here after it was handed on, so a replay that breaks off loses nothing, and the same command
    continues it. At worst a message is handled twice, which changes nothing.
    """
    applied, chosen = _open(context, stack, names, profile, region)
    if dry_run:
        _rehearse(applied, chosen, cause, limit, as_json, "replayed")
        return
    pace = applied.clock.pace(rate)

    def hand_on(read: Reading, entry: Entry) -> None:
        pace.acquire()
        entry.failures.replay(entry.held)
        read.delete(entry)

    _each(applied, chosen, cause, limit, hand_on, as_json, "replayed")


@app.command()
def drop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="QUEUE", help="Such as upstream_failures.", show_default=False)],
    stack: StackName,
    cause: Cause = None,
    all_: Annotated[bool, typer.Option("--all", help="Whatever the cause.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages to drop at most.", show_default=False)] = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Delete messages of one queue for good: those of a cause, or all."""
    if (cause is None) is not all_:
        raise WrongUsage("give the messages to drop with --cause TEXT, or --all")
    applied, chosen = _open(context, stack, [name], profile, region)
    if dry_run:
        _rehearse(applied, chosen, cause, limit, as_json, "dropped")
        return
    if not yes:
        _ask(name, cause)
    _each(applied, chosen, cause, limit, Reading.delete, as_json, "dropped")


def _open(
    context: typer.Context, stack: str, names: list[str] | None, profile: str | None, region: str | None
) -> tuple[AppliedStack, list[Failures]]:
    applied = AppliedStack.open(context, stack, profile, region)
    return applied, queues.of_stack(applied, names or ())


def _each(
    applied: AppliedStack,
    chosen: list[Failures],
    cause: str | None,
    limit: int | None,
    act: Callable[[Reading, Entry], None],
    as_json: bool,
    done: str,
) -> None:
    """Act on each message, and say how many succeeded. Raises Failed when one did not."""
    succeeded, failed = 0, list[tuple[Entry, str]]()
    try:
        with progress(quiet=as_json) as bar, contents.reading(applied, chosen, cause, limit) as read:
            task = bar.add_task(done, total=None if cause else sum(each.queue.waiting() for each in chosen))
            for entry in read.entries():
                try:
                    act(read, entry)
                except ThingbridgeError as error:
                    if stops_everything(error):
                        raise
                    failed.append((entry, sentence(error)))
                else:
                    succeeded += 1
                bar.advance(task)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {count(succeeded, 'message')} {done}; the same command continues") from None
    if as_json:
        print_json({done: succeeded, "failed": [{**_message(entry), "reason": reason} for entry, reason in failed]})
    else:
        out().print(f"{done} {count(succeeded, 'message')}")
    for entry, reason in failed[:10]:
        say(f"{entry.failures.name}: {entry.message.subject or entry.held.id}: {reason}")
    if failed:
        raise Failed(f"{count(len(failed), 'message')} could not be {done}: they are still in their queue")


def _rehearse(
    applied: AppliedStack, chosen: list[Failures], cause: str | None, limit: int | None, as_json: bool, done: str
) -> None:
    with contents.reading(applied, chosen, cause, limit) as read:
        groups = contents.grouped(read.entries())
    if as_json:
        print_json({f"would be {done}": [_group(each) for each in groups]})
        return
    for each in groups:
        target = f" → {each.target}" if done == "replayed" else ""
        out().print(f"{each.queue}{target}: {count(each.count, 'message')}: {each.cause}", soft_wrap=True)
    say(f"dry run: {count(sum(each.count for each in groups), 'message')} would be {done}, nothing was changed")


def _ask(name: str, cause: str | None) -> None:
    question = f"Delete every message of {name}{f' whose cause contains {cause!r}' if cause else ''} for good?"
    try:
        agreed = typer.confirm(plain(question), err=True)
    except typer.Abort:
        sys.stderr.write("\n")
        raise Failed("nothing was dropped: the question was not answered; --yes drops without asking") from None
    if not agreed:
        raise Failed("nothing was dropped")


def _counted(entries: Iterator[Entry], advance: Callable[[], None]) -> Iterator[Entry]:
    for entry in entries:
        advance()
        yield entry


def _show(groups: list[Group], waiting: dict[str, int]) -> None:
    if not groups:
        say("nothing failed" if not any(waiting.values()) else "no message could be read")
        return
    rows = [
        (
            each.queue,
            f"{each.count:,}",
            each.cause,
            ", ".join(each.subjects[:_SUBJECTS]) + (" …" if len(each.subjects) > _SUBJECTS else ""),
            _time(each.oldest),
            _time(each.newest),
        )
        for each in groups
    ]
    console = out()
    table, left_out = fitted(console, COLUMNS, rows, optional=["of", "oldest", "newest"])
    console.print(table)
    if left_out:
        err().print(f"left out for the width of the terminal: {', '.join(left_out)}", soft_wrap=True)


def _group(group: Group) -> dict[str, Any]:
    return {**asdict(group), "oldest": _time(group.oldest), "newest": _time(group.newest)}


def _message(entry: Entry) -> dict[str, Any]:
    message = entry.message
    return {
        "queue": entry.failures.name,
        "id": entry.held.id,
        "sent": _time(entry.held.sent_at),
        "subject": message.subject,
        "topic": message.topic,
        "cause": entry.cause,
        "attempts": message.attempts,
        "content": message.content,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
