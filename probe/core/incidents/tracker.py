"""Rule: trouble is an incident when it was confirmed, once however it flaps, and over when all who saw it saw it well.

Fed with the looks of one agent, or of several, as they come; gives what there is to tell. No clock: time is that of due
times, `tick` tells it where no rows come. Its state is plain data (`state`, `restored`): fed with the same looks it
says the same, so that a restart goes on where the last run ended and opens nothing twice.

A domain's trouble counts from a vantage point once a row was confirmed (a second look failed too), or once a second row
of the same task shows it within the episode. It is opened when `Rules.vantage_points` see it at a time; where fewer can
look, all of these do, each in two rows. Rows of a copy may come late: what lies within a closed incident, or its calm,
opens it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from probe.core.incidents.clock_set import is_new, shift
from probe.core.incidents.episode import Episode, Subject, Track, episode_of, new_id, stream_of
from probe.core.incidents.incident import Ending, Incident, Kind, Stage, Transition
from probe.core.incidents.looks import AnyLook, ClockStep, LineLook, Look, Sight
from probe.core.incidents.rules import Rules
from probe.core.records.verdict import Fault

WELLS = 2


class _State(msgspec.Struct):
    """What is written down. `seqs`: stream -> the last row fed."""

    now_us: int
    seqs: dict[str, int]
    tracks: list[tuple[Subject, str, Track]]
    customers: list[tuple[Subject, list[str]]]
    episodes: list[Episode]
    closed: list[Episode]
    agents_us: dict[str, int] = {}
    steps: dict[str, ClockStep] = {}


_STATE = msgspec.json.Decoder(_State)


class Tracker:
    """Incidents of one agent, or of several. For one thread."""

    def __init__(self, rules: Rules) -> None:
        """Nothing is known yet."""
        self.rules = rules
        self.seqs: dict[str, int] = {}
        self._now_us = 0
        self._agents_us: dict[str, int] = {}  # how late it is by each agent's clock
        self._steps: dict[str, ClockStep] = {}  # agent, or stream -> the newest that it was shifted by
        self._tracks: dict[Subject, dict[str, Track]] = {}
        self._customers: dict[Subject, list[str]] = {}  # of a vantage point: who measures from it
        self._episodes: dict[Subject, Episode] = {}
        self._closed: dict[Subject, Episode] = {}

    # --- what it is fed -------------------------------------------------------------------------------

    def take(self, look: AnyLook) -> list[Transition]:
        """Whatever a line of a stream says."""
        if isinstance(look, ClockStep):
            self.step(look)
            return []
        return self.feed_line(look) if isinstance(look, LineLook) else self.feed(look)

    def feed(self, look: Look) -> list[Transition]:
        """A row."""
        stream = stream_of(look.agent, look.customer)
        self.seqs[stream] = max(look.seq, self.seqs.get(stream, 0))
        self._at(look.agent, look.at_us)
        domain = Subject(Kind.DOMAIN, look.customer, look.domain)
        made = self._see(domain, f"{stream}\t{look.task}", look, look.domain_sight)
        line = Subject(Kind.VANTAGE_POINT, look.agent, look.vantage_point)
        self._of_customer(line, look.customer)
        return made + self._see(line, f"{look.agent}\trows", look, look.line_sight)

    def feed_line(self, look: LineLook) -> list[Transition]:
        """An event about a vantage point's line; in several streams it is one."""
        self._at(look.agent, look.at_us)
        subject = Subject(Kind.VANTAGE_POINT, look.agent, look.vantage_point)
        if look.customer:
            self._of_customer(subject, look.customer)
        key, point = f"{look.agent}\t{look.part}", self._point(look.agent, look.vantage_point)
        track = self._track(subject, key, point, steady=True)
        sight = Sight.WELL if look.well else Sight.TROUBLE
        if track.last_us == look.at_us and track.wells == (0 if sight is Sight.TROUBLE else WELLS):
            return []  # the same event in another stream
        track.see(sight, look.at_us)
        if sight is Sight.WELL:
            return self._after(subject)
        episode = self._episode(subject, track, look.at_us)
        episode.show(key, True, look.at_us)
        episode.describe(point, Fault.VANTAGE, look.reason, None, look.agent)
        return self._after(subject, look.at_us)

    def step(self, step: ClockStep) -> None:
        """An agent's clock was set: what is known from it is as long ago as before, and no trouble is longer for it.

        `customer` "": in all its streams. Comes before the rows that were due by the new time.
        """
        shifting = (self._tracks, (self._episodes, self._closed))
        if is_new(self._steps, step.agent, step):
            shift(*shifting, Kind.VANTAGE_POINT, step.agent, step.delta_us)
            self._now_us += 0 if self.rules.several else step.delta_us
            self._agents_us[step.agent] = self._agents_us.get(step.agent, 0) + step.delta_us
        known = (stream for stream in self.seqs if stream.startswith(f"{step.agent}\t"))
        for stream in [stream_of(step.agent, step.customer)] if step.customer else known:
            if is_new(self._steps, stream, step):
                shift(*shifting, Kind.DOMAIN, stream, step.delta_us)

    def tick(self, now_us: int) -> list[Transition]:
        """It is now at least so late (due times)."""
        self._now_us = max(self._now_us, now_us)
        self._agents_us = {agent: max(at_us, now_us) for agent, at_us in self._agents_us.items()}
        made = [each for subject in list(self._episodes) for each in self._after(subject)]
        for subject, episode in list(self._closed.items()):
            if self._now_us - episode.told_us > self.rules.forget_us:
                del self._closed[subject]
        return made

    def keep(self, tasks: Collection[tuple[str, str, str]]) -> list[Transition]:
        """Only these are measured any more: (agent, customer, task); nobody waits for the others."""
        wanted = {f"{stream_of(agent, customer)}\t{task}" for agent, customer, task in tasks}
        for subject, tracks in list(self._tracks.items()):
            if subject.kind is not Kind.DOMAIN:
                continue
            for key in [key for key in tracks if key not in wanted]:
                self._drop(subject, key)
        return [each for subject in list(self._episodes) for each in self._after(subject)]

    def adopt(self, incident: Incident, customers: Iterable[str] = ()) -> None:
        """An incident as the stream tells it: it is not told again. An older telling changes nothing."""
        episode = episode_of(incident)
        subject = episode.subject
        known = self._episodes.get(subject) or self._closed.get(subject)
        if known is not None and known.id == incident.id and known.revision >= incident.revision:
            return
        if known is not None and known.id == incident.id:  # with what only rows tell
            episode.shown_by, episode.seqs, episode.customers = known.shown_by, known.seqs, known.customers
            episode.adopted_us = known.adopted_us
        for customer in (*customers, *filter(None, (incident.customer,))):
            if customer not in episode.customers:
                episode.customers.append(customer)
        place, other = (self._episodes, self._closed) if incident.is_open else (self._closed, self._episodes)
        if (there := other.get(subject)) is not None and there.first_us <= episode.first_us:
            del other[subject]
        place[subject] = episode

    # --- what it knows --------------------------------------------------------------------------------

    def open(self) -> list[Incident]:
        """Those that go on, the oldest first."""
        told = (episode for episode in self._episodes.values() if episode.revision)
        return sorted(map(self._incident, told), key=lambda one: (one.first_failing_us, one.id))

    def closed(self) -> list[Incident]:
        """Those that were closed lately, the newest first."""
        return sorted(
            map(self._incident, self._closed.values()), key=lambda one: (-(one.closed_us or 0), one.id)
        )

    def state(self) -> bytes:
        """All of it, as JSON."""
        tracks = [(s, key, track) for s, known in self._tracks.items() for key, track in known.items()]
        return msgspec.json.encode(
            _State(
                self._now_us,
                self.seqs,
                tracks,
                list(self._customers.items()),
                list(self._episodes.values()),
                list(self._closed.values()),
                self._agents_us,
                self._steps,
            )
        )

    @classmethod
    def restored(cls, rules: Rules, state: bytes) -> Tracker:
        """What `state` gave. Raises ValueError for what is none."""
        made = cls(rules)
        try:
            read = _STATE.decode(state)
        except msgspec.DecodeError as error:
            raise ValueError(f"this is no state of incidents: {error}") from error
        made._now_us, made.seqs, made._steps = read.now_us, read.seqs, read.steps
        agents = {stream.partition("\t")[0] for stream in read.seqs}
        made._agents_us = {agent: read.agents_us.get(agent, read.now_us) for agent in agents}
        for subject, key, track in read.tracks:
            made._tracks.setdefault(subject, {})[key] = track
        made._customers = dict(read.customers)
        made._episodes = {episode.subject: episode for episode in read.episodes}
        made._closed = {episode.subject: episode for episode in read.closed}
        return made

    # --- how ------------------------------------------------------------------------------------------

    def _at(self, agent: str, at_us: int) -> None:
        self._now_us = max(self._now_us, at_us)
        self._agents_us[agent] = max(self._agents_us.get(agent, 0), at_us)

    def _see(self, subject: Subject, key: str, look: Look, sight: Sight) -> list[Transition]:
        point = self._point(look.agent, look.vantage_point)
        track = self._track(subject, key, point)
        track.see(sight, look.at_us)
        if sight is not Sight.TROUBLE:
            return self._after(subject) if subject in self._episodes else []
        stream = stream_of(look.agent, look.customer)
        known = self._episodes.get(subject) or self._closed.get(subject)
        if known is not None and (look.seq <= known.seqs.get(stream, 0) or look.at_us <= known.adopted_us):
            return []  # it is in it already
        again = f"{stream}\t{look.seq}" if look.due_again else ""
        episode = self._episode(subject, track, look.at_us, again)
        episode.show(key, look.confirmed, look.at_us)
        episode.describe(point, look.fault or Fault.UNKNOWN, look.reason, look.outcome, look.agent)
        episode.add(look)
        return self._after(subject, look.at_us)

    def _episode(self, subject: Subject, track: Track, at_us: int, again: str = "") -> Episode:
        """The one that goes on; one that ended only just now; a new one."""
        found = self._episodes.get(subject)
        if found is None:
            closed = self._closed.get(subject)
            if closed is not None and at_us <= closed.newest_us + self.rules.calm_us:
                del self._closed[subject]
                closed.closed_us = closed.ending = closed.well_after_us = None
                closed.news, closed.told_us, closed.shown_by, found = True, 0, {}, closed
            else:
                found = Episode(subject=subject, first_us=at_us, last_us=at_us, well_before_us=track.well_us)
                found.again = again
                if subject.kind is Kind.DOMAIN:
                    found.customers = [subject.owner]
            self._episodes[subject] = found
        return found

    def _after(self, subject: Subject, trouble_us: int | None = None) -> list[Transition]:
        """What there is to tell now. `trouble_us`: the look that came showed trouble."""
        episode = self._episodes.get(subject)
        if episode is None:
            return []
        if trouble_us is not None and not episode.revision and self._enough(episode, trouble_us):
            episode.confirmed_us = trouble_us
            episode.id = new_id(subject, episode.first_us, episode.again)
            return [self._tell(episode, Stage.OPENED)]
        self._forget(episode)
        if self._over(episode):
            del self._episodes[subject]
            if not episode.revision:
                return []
            self._closed[subject] = episode
            return [self._tell(episode, Stage.CLOSED)]
        if episode.revision and episode.news and self._now_us - episode.told_us >= self.rules.change_us:
            return [self._tell(episode, Stage.CHANGED)]
        return []

    def _tell(self, episode: Episode, stage: Stage) -> Transition:
        if stage is Stage.CLOSED:
            wells = [self._tracks[episode.subject][key].first_well_us for key in self._asked(episode)]
            # A clock that was set back ends nothing earlier.
            episode.closed_us = max(self._now_us, episode.last_us)
            episode.ending = Ending.UNKNOWN if episode.lost or None in wells else Ending.WELL
            if episode.ending is Ending.WELL:
                episode.well_after_us = max(episode.last_us, *(well for well in wells if well is not None))
        episode.revision += 1
        episode.news, episode.told_us = False, self._now_us
        customers = episode.customers
        if episode.subject.kind is Kind.VANTAGE_POINT:
            customers = self._customers.get(episode.subject, customers)
        return Transition(stage=stage, incident=self._incident(episode), customers=tuple(sorted(customers)))

    def _enough(self, episode: Episode, at_us: int) -> bool:
        """Whether it is seen by as many as it takes."""
        tracks = self._tracks[episode.subject]
        shown = {key: shown for key, shown in episode.shown_by.items() if key in tracks}
        lately = {key for key in shown if self._lately(tracks[key], tracks[key].trouble_us, at_us)}
        points = {tracks[key].point for key in lately if shown[key].confirmed}
        if episode.subject.kind is Kind.VANTAGE_POINT or self.rules.vantage_points == 1:
            return bool(points)
        able = {t.point for t in tracks.values() if self._lately(t, t.definite_us, at_us)}
        if len(able) >= self.rules.vantage_points:
            return len(points) >= self.rules.vantage_points
        return able <= {tracks[key].point for key in lately if shown[key].rows > 1}

    def _lately(self, track: Track, seen_us: int | None, at_us: int) -> bool:
        return seen_us is not None and abs(at_us - seen_us) <= self._calm_us(track)

    def _calm_us(self, track: Track) -> int:
        return max(self.rules.calm_us, 2 * track.interval_us)

    def _over(self, episode: Episode) -> bool:
        keys = self._asked(episode)
        episode.lost |= not keys
        return all(self._calm(self._tracks[episode.subject][key], episode) for key in keys)

    def _asked(self, episode: Episode) -> list[str]:
        """Whose word it takes that it is over: of those who showed it, or who look, where that is not known."""
        tracks = self._tracks.get(episode.subject, {})
        if episode.adopted_us:
            return [key for key, track in tracks.items() if not self._gone(key, track)]
        return [key for key in episode.shown_by if key in tracks]

    def _calm(self, track: Track, episode: Episode) -> bool:
        last_us = self._now_us if track.steady else track.last_us
        return track.wells >= WELLS and last_us >= episode.newest_us + self.rules.calm_us

    def _gone(self, key: str, track: Track) -> bool:
        """By the clock of the agent that looks: another's may be an hour ahead."""
        now_us = self._agents_us.get(key.partition("\t")[0], self._now_us)
        return not track.steady and now_us - track.definite_us > self.rules.forget_us

    def _forget(self, episode: Episode) -> None:
        """Who has not looked for long is waited for no longer."""
        tracks = self._tracks.get(episode.subject, {})
        for key in list(episode.shown_by):
            if key not in tracks or self._gone(key, tracks[key]):
                self._drop(episode.subject, key)

    def _drop(self, subject: Subject, key: str) -> None:
        track = self._tracks.get(subject, {}).pop(key, None)
        episode = self._episodes.get(subject)
        if episode is not None and episode.shown_by.pop(key, None) is not None:
            episode.lost |= track is None or track.wells < WELLS

    def _track(self, subject: Subject, key: str, point: str, *, steady: bool = False) -> Track:
        known = self._tracks.setdefault(subject, {})
        track = known.get(key)
        if track is None:
            track = known[key] = Track(point=point, steady=steady)
        return track

    def _of_customer(self, subject: Subject, customer: str) -> None:
        known = self._customers.setdefault(subject, [])
        if customer not in known:
            known.append(customer)

    def _point(self, agent: str, name: str) -> str:
        return f"{agent}/{name}" if self.rules.several else name

    def _incident(self, episode: Episode) -> Incident:
        points = {track.point for track in self._tracks.get(episode.subject, {}).values()}
        return episode.incident(len(points))
