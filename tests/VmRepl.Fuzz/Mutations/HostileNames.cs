using VmRepl.Fuzz.Corpus;
using VmRepl.Fuzz.Storage;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Mutations;

/// <summary>Names that an image must not be able to follow, some that it may, and such as lead back.</summary>
internal static class HostileNames
{
    private static readonly string[] Names =
    [
        "/etc/passwd", "/dev/zero", "/proc/self/mem", "../outside/secret.raw", FuzzDirectory.Secret, "link.raw", "away/secret.raw", "loop", "loop/x", "pipe", "sub", "sub/", ".", "..", "./", "",
        "sub/../../outside/secret.raw", "away/../home/link.raw", "file:/etc/passwd", "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}", "nbd://127.0.0.1/x", "http://127.0.0.1/x", @"C:\secret.raw",
        @"\\server\share\secret.raw", "//server/share/secret.raw", "missing.raw", "no/such/file", "\0", "a\0b", "fd:0", "\uD800", "%00", "~/secret", "$HOME/x", "COM1", "disk.raw/x", new('n', 300), new('n', 1023),
        string.Concat(Enumerable.Repeat("a/", 400)) + "x", string.Concat(Enumerable.Repeat("../", 100)) + "etc/passwd", "outside\u2215secret",
    ];

    public static string Pick(SeededRandom random, CorpusImage image)
    {
        if (random.Chance(0.3))
        {
            var own = random.Pick(image.Files).Name;
            return random.Between(0, 4) switch { 0 => own, 1 => "./" + own, 2 => $"{FuzzDirectory.Home}/{own}", 3 => own + "/x", _ => $"../home/{own}" };
        }

        return random.Pick(Names);
    }
}
