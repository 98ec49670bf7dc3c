using System.Runtime.Versioning;

// Each fixture has processes, ports and directories of its own; most of a test's time is spent waiting for a flush or a process to start.
[assembly: Parallelizable(ParallelScope.Fixtures)]
[assembly: LevelOfParallelism(2)]
[assembly: SupportedOSPlatform("linux")]
[assembly: Platform("Linux")]
