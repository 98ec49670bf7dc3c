namespace VmRepl.Benchmarks.Nbd;

/// <summary>What one run of fio found.</summary>
/// <param name="RequestsPerSecond">All of them were answered.</param>
/// <param name="ProcessorUs">The server's processor time for a request, user and system, µs.</param>
internal sealed record NbdFigures(double RequestsPerSecond, double ProcessorUs);
