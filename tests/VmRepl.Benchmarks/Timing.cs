using System.Diagnostics;

namespace VmRepl.Benchmarks;

internal static class Timing
{
    public static TimeSpan Of(Action work)
    {
        var watch = Stopwatch.StartNew();
        work();
        return watch.Elapsed;
    }
}
