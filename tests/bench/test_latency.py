"""What the latency measurement prints is made of the rounds, each beside the upstream's of the same round."""

from bench.latency import Times, line


def test_line_rounds_of_unequal_speed_compares_each_with_its_own_upstream() -> None:
    """The difference of the p99 medians is 500; the median of differences is 400."""
    bare = [Times(p50=10, p99=100), Times(p50=200, p99=1000), Times(p50=20, p99=100)]
    taken = [Times(p50=130, p99=600), Times(p50=310, p99=1400), Times(p50=120, p99=500)]
    text = " ".join(line("Aqueduct", taken, bare).split())
    assert text == "Aqueduct p50 130 us p99 600 us added p50 110 us added p99 400 us"
