"""The law of what stands in the database: all that was written, and nothing else."""

from ringback.broker.records import DeadLetter, Event, FacetLabel, Facets
from simulation.postgres.node_store import Database
from simulation.verdict import Broken, hold
from simulation.world import World


def compare(world: World, disk: Database) -> None:
    """Hold what stands in the database against what transactions have written to it."""
    try:
        found = disk.backstage.records()
        for kind, records in found.items():
            written = world.account.rows[kind]
            if kind in (Facets, FacetLabel):
                continue  # those that are known to be there are not written again
            wrong = sorted(key for key in {*records, *written} if records.get(key) != written.get(key))
            hold(not wrong, f"{len(wrong)} of {kind.__name__} are not as they were written, {wrong[:1]}")
        for kind in (Event, DeadLetter):
            named = {one.facets for one in found[kind].values()}  # type: ignore[attr-defined]
            unknown = named - {key[0] for key in found[Facets]} - {0}
            hold(not unknown, f"{len(unknown)} facets of {kind.__name__} are written down nowhere")
    except Broken as broken:
        world.accuse(broken)
