using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using VmRepl.Fuzz.Corpus;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Mutations;

/// <summary>Changes of a VMDK descriptor's text.</summary>
internal static partial class DescriptorEdits
{
    private static readonly string[] Types =
    [
        "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized", "vmfs", "vmfsSparse", "seSparse", "custom", "fullDevice", "vmfsRDM", "vsanSparse", "", "x",
    ];

    private static readonly string[] Kinds = ["FLAT", "SPARSE", "ZERO", "VMFS", "VMFSSPARSE", "SESPARSE", "VMFSRDM", "VMFSRAW", "", "flat"];

    private static readonly string[] Lines =
    [
        "RW 1 ZERO", "RW 72057594037927936 ZERO", "RW 140737488355328 ZERO", "RW 9223372036854775807 ZERO", "RW 36028797018963968 FLAT \"flat.raw\" 0", "RW 1 FLAT \"flat.raw\" 36028797018963967", "RW 0 ZERO",
        "RW -1 ZERO", "RW 99999999999999999999 ZERO", "RW 8 FLAT \"flat.raw", "NOACCESS 8 ZERO", "RDONLY 8 ZERO", "RW 8 SPARSE \"own.vmdk\"", "parentCID=00000000", "parentCID=12345678", "parentFileNameHint=\"own.vmdk\"",
        "changeTrackPath=\"x-ctk.vmdk\"", "version=4", "CID=fffffffe", "CID=xyz", "createType=\"custom\"", "garbage", "=", "a=\"b", "encoding=\"UTF-16\"", "ddb.x = \"\u00e9\ud83d\ude00\"",
    ];

    /// <summary>The text with one change, and what it was.</summary>
    public static (string Text, string Words) Change(SeededRandom random, string text, CorpusImage image)
    {
        var lines = text.Split('\n').ToList();
        var at = (int)random.Between(0, lines.Count - 1);
        switch (random.Between(0, 11))
        {
            case 0:
                lines.RemoveAt(at);
                return (Join(), $"line {at} removed");
            case 1:
                lines.Insert(at, lines[(int)random.Between(0, lines.Count - 1)]);
                return (Join(), $"a line repeated at {at}");
            case 2:
                var line = random.Pick(Lines);
                lines.Insert(at, line);
                return (Join(), $"line {at} added: {line}");
            case 3:
                return One(Quoted(), text, _ => $"\"{HostileNames.Pick(random, image)}\"", "a name");
            case 4:
                return One(Number(), text, m => Digits(random, m.Value), "a number");
            case 5:
                return One(Number(), text, m => Digits(random, m.Value), "a number");
            case 6:
                return One(CreateType(), text, _ => $"createType=\"{random.Pick(Types)}\"", "createType");
            case 7:
                return One(Kind(), text, _ => random.Pick(Kinds), "an extent's type");
            case 8:
                var extent = lines.Find(l => l.StartsWith("RW ", StringComparison.Ordinal)) ?? "RW 1 ZERO";
                var count = random.Pick([2, 511, 512, 513, 5000]);
                lines.InsertRange(at, Enumerable.Repeat(random.Chance(0.5) ? extent : "RW 1 ZERO", count));
                return (Join(), $"{count} extent lines");
            case 9:
                return (text.Replace("\n", random.Pick(["\r\n", "\r", "\n\n", " \n\t", "\0"]), StringComparison.Ordinal), "other ends of lines");
            case 10:
                var cut = (int)random.Between(0, text.Length);
                return (text[..cut], $"cut to {cut} characters");
            default:
                var place = (int)random.Between(0, text.Length);
                var inserted = random.Pick(["\"", "\0", "=", "#", new string('x', 100_000), "\ufffd", "RW ", " "]);
                return (text.Insert(place, inserted), $"{inserted.Length} characters inserted at {place}");
        }

        string Join() => string.Join('\n', lines);

        (string, string) One(Regex what, string whole, MatchEvaluator with, string words)
        {
            var matches = what.Matches(whole);
            if (matches.Count == 0) return (whole + random.Pick(Lines), "a line at the end");
            var match = matches[(int)random.Between(0, matches.Count - 1)];
            var value = with(match);
            return (whole[..match.Index] + value + whole[(match.Index + match.Length)..], $"{words} {match.Value} → {(value.Length > 60 ? value[..60] + "…" : value)}");
        }
    }

    private static string Digits(SeededRandom random, string old)
    {
        _ = ulong.TryParse(old, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        return random.Between(0, 3) == 0
            ? random.Pick(["-1", "99999999999999999999999", "0x10", "1e3", "", " "])
            : BoundaryValues.Pick(random, number, 8, 1 << 20, 2048).ToString(CultureInfo.InvariantCulture);
    }

    [GeneratedRegex("\"[^\"\n]*\"")]
    private static partial Regex Quoted();

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Number();

    [GeneratedRegex("createType=\"[^\"\n]*\"")]
    private static partial Regex CreateType();

    [GeneratedRegex("\\b(FLAT|SPARSE|ZERO|VMFS|VMFSSPARSE|SESPARSE)\\b")]
    private static partial Regex Kind();
}
