using System.Text.RegularExpressions;

namespace VmRepl.Architecture.Tests;

/// <summary>Finds calls that core logic may not make, so that a simulation can own time, threads, randomness, disks and connections.</summary>
internal static partial class Banned
{
    public const string Time = "time comes from TimeProvider";
    public const string Threads = "threads are started by whoever hosts this";
    public const string Randomness = "randomness comes from a seed that is given";
    public const string Storage = "storage comes through IHostFile and IHostDirectory";
    public const string Connections = "connections come through an interface";

    private static readonly (Regex Call, string Rule)[] Calls =
    [
        (Clock(), Time), (DelayWithoutClock(), Time), (Thread(), Threads), (Chance(), Randomness), (HostStorage(), Storage), (Network(), Connections),
    ];

    /// <summary>Line number (from 1) and broken rule of each banned call; comments do not count.</summary>
    public static IEnumerable<(int Line, string Call, string Rule)> Find(string source)
    {
        // Text stays (an interpolated string holds code) and is matched first, so that "http://" begins no comment.
        var code = TextOrComment().Replace(source, match => match.Value[0] == '/' ? new string('\n', match.Value.Count(c => c == '\n')) : match.Value);
        foreach (var (call, rule) in Calls)
            foreach (Match match in call.Matches(code))
                yield return (code.AsSpan(0, match.Index).Count('\n') + 1, match.Value, rule);
    }

    [GeneratedRegex(""""//[^\n]*|/\*.*?\*/|'(\\.|[^\\'\n])+'|"{3}.*?"{3}|@"([^"]|"")*"|"(\\.|[^\\"\n])*"+"""", RegexOptions.Singleline)]
    private static partial Regex TextOrComment();

    [GeneratedRegex(@"\bDateTime(Offset)?\.(Utc)?(Now|Today)\b|\bStopwatch\.(StartNew|GetTimestamp)\b|\bnew Stopwatch\b|\bEnvironment\.TickCount|\bTimeProvider\.System\.")]
    private static partial Regex Clock();

    [GeneratedRegex(@"\bTask\.Delay\((?![^;]*\b\w*([cC]lock|[tT]ime(Provider)?)\b)")]
    private static partial Regex DelayWithoutClock();

    [GeneratedRegex(@"\bnew Thread\b|\bThread\.(Sleep|Yield)\b|\bThreadPool\.|\bTask\.Run\b|\bTask\.Factory\b|\bParallel\.|\bnew (System\.Threading\.)?(Timer|PeriodicTimer)\b")]
    private static partial Regex Thread();

    [GeneratedRegex(@"\bRandom\.Shared\b|\bnew Random\(\)|\bGuid\.(NewGuid|CreateVersion7)\b")]
    private static partial Regex Chance();

    [GeneratedRegex(@"(?<![\w.])(System\.IO\.)?(File|Directory)\.(?!Exists\b)[A-Z]\w*\(|\bnew (FileStream|FileInfo|DirectoryInfo|HostDirectory)\b|\bHostFile\.Open\b")]
    private static partial Regex HostStorage();

    [GeneratedRegex(@"\bnew (Socket|TcpClient|TcpListener|NetworkStream|SslStream|HttpClient)\b")]
    private static partial Regex Network();
}
