using System.Diagnostics;
using System.Runtime.InteropServices;

namespace VmRepl.Fuzz.Trials;

/// <summary>Processor time of the calling thread (CLOCK_THREAD_CPUTIME_ID); elsewhere than on Linux the time that passed.</summary>
public static partial class ThreadClock
{
    private const int ThreadCpuTime = 3;

    public static TimeSpan Now => OperatingSystem.IsLinux() && GetTime(ThreadCpuTime, out var time) == 0
        ? new TimeSpan((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / 100))
        : Stopwatch.GetElapsedTime(0);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public long Seconds, Nanoseconds;
    }
}
