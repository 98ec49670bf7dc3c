using System.Text;
using VmRepl.Fuzz.Corpus;
using VmRepl.Fuzz.Storage;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Mutations;

/// <summary>
/// Makes a mutant: one to six changes of one image's files, most of them where the format has its numbers and names, some blind. The same random numbers make the same mutant of the same corpus.
/// </summary>
public sealed class Mutator(IReadOnlyList<CorpusImage> corpus)
{
    private static readonly int[] BlockSizes = [512, 4096, 65536, 1 << 20];

    public Mutant Make(SeededRandom random)
    {
        var image = random.Pick(corpus);
        var files = image.Files.ToDictionary(f => f.Name, f => f.Contents.Fork());
        List<string> words = [];
        var changes = random.Between(0, 9) switch { < 5 => 1, < 8 => 2, _ => random.Between(3, 6) };
        for (var i = 0; i < changes; i++)
        {
            var file = image.Files.Count == 1 || random.Chance(0.6) ? image.Files[0] : random.Pick(image.Files);
            words.Add($"{file.Name}: {Change(random, image, file, files[file.Name])}");
        }

        var isSealed = random.Chance(0.5);
        if (isSealed)
            foreach (var file in image.Files) Sealing.Apply(file, files[file.Name]);
        return new Mutant(image, files, isSealed, words);
    }

    private static string Change(SeededRandom random, CorpusImage image, CorpusFile file, PagedBytes bytes)
    {
        // A kind that the file has no place for becomes another.
        while (true)
        {
            var kind = random.Between(0, 99);
            if (kind < 50 && file.Groups.Count > 0) return SetNumber(random, file, bytes);
            if (kind is >= 50 and < 58 && file.Descriptor is { } place) return EditDescriptor(random, image, place, bytes);
            if (kind is >= 58 and < 65 && file.Texts.Count > 0) return SetName(random, image, random.Pick(file.Texts), bytes);
            if (kind is >= 65 and < 74) return FlipBits(random, file, bytes);
            if (kind is >= 74 and < 82) return MoveBlock(random, bytes);
            if (kind is >= 82 and < 88) return Truncate(random, file, bytes);
            if (kind is >= 88 and < 93) return Extend(random, bytes);
            if (kind is >= 93 and < 97 && file.Groups.Count > 0) return Stretch(random, file, bytes);
            if (kind >= 97 && file.Groups.Count > 0) return CopyNumber(random, file, bytes);
        }
    }

    private static string SetNumber(SeededRandom random, CorpusFile file, PagedBytes bytes)
    {
        var site = random.Pick(random.Pick(file.Groups));
        var old = Read(bytes, site);
        var value = BoundaryValues.Pick(random, old, site.Size, bytes.Length, Read(bytes, random.Pick(file.Sites)));
        return Set(random, site, old, value, bytes);
    }

    private static string CopyNumber(SeededRandom random, CorpusFile file, PagedBytes bytes)
    {
        var group = random.Pick(file.Groups);
        var (from, to) = (random.Pick(group), random.Pick(group));
        return $"as {from.Name} at {from.Offset}: {Set(random, to, Read(bytes, to), Read(bytes, from), bytes)}";
    }

    private static string Set(SeededRandom random, Site site, ulong old, ulong value, PagedBytes bytes)
    {
        Span<byte> field = stackalloc byte[site.Size];
        Numbers.Write(field, value, site.IsBigEndian);
        bytes.Write(site.Offset, field);
        var both = site.Twin >= 0 && random.Chance(0.7);
        if (both) bytes.Write(site.Twin, field);
        return $"{site.Name} at {site.Offset}: 0x{old:x} → 0x{value:x}{(both ? ", in the copy too" : "")}";
    }

    private static string EditDescriptor(SeededRandom random, CorpusImage image, (long Offset, int Length) place, PagedBytes bytes)
    {
        var isWhole = place.Offset == 0;
        var old = new byte[isWhole ? (int)Math.Min(bytes.Length, 1 << 20) : place.Length];
        bytes.Read(place.Offset, old);
        var end = Array.IndexOf(old, (byte)0);
        var (text, words) = DescriptorEdits.Change(random, Encoding.UTF8.GetString(old, 0, end < 0 ? old.Length : end), image);
        var changed = Encoding.UTF8.GetBytes(text);
        if (isWhole)
        {
            bytes.SetLength(0);
            bytes.Write(0, changed);
        }
        else
        {
            Array.Resize(ref changed, place.Length);
            bytes.Write(place.Offset, changed);
        }

        return "descriptor: " + words;
    }

    private static string SetName(SeededRandom random, CorpusImage image, TextSite site, PagedBytes bytes)
    {
        var name = HostileNames.Pick(random, image);
        var text = site.Encoding.GetBytes(name);
        if (text.Length > site.Room) text = text[..site.Room];
        bytes.Write(site.Offset, text);
        if (site.Length is { } length)
        {
            Span<byte> field = stackalloc byte[length.Size];
            Numbers.Write(field, (ulong)text.Length, length.IsBigEndian);
            bytes.Write(length.Offset, field);
        }
        else if (text.Length < site.Room)
        {
            bytes.Write(site.Offset + text.Length, new byte[site.Room - text.Length]);
        }

        return $"{site.Name} → \"{(name.Length > 60 ? name[..60] + "…" : name)}\"";
    }

    private static string FlipBits(SeededRandom random, CorpusFile file, PagedBytes bytes)
    {
        if (bytes.Length == 0) return "nothing to flip in an empty file";
        var (name, offset, length) = file.Areas.Count > 0 && random.Chance(0.6) ? random.Pick(file.Areas) : ("anywhere", 0L, (int)Math.Min(bytes.Length, int.MaxValue));
        var flips = random.Chance(0.7) ? 1 : random.Between(2, 16);
        var places = new List<long>();
        Span<byte> one = stackalloc byte[1];
        for (var i = 0; i < flips; i++)
        {
            var at = offset + random.Between(0, Math.Max(0, length - 1));
            if (bytes.Read(at, one) == 0) continue;
            one[0] = random.Chance(0.7) ? (byte)(one[0] ^ 1 << (int)random.Between(0, 7)) : (byte)random.Next64();
            bytes.Write(at, one);
            places.Add(at);
        }

        return $"bits of {name} at {string.Join(", ", places)}";
    }

    private static string MoveBlock(SeededRandom random, PagedBytes bytes)
    {
        var size = (int)Math.Min(random.Pick(BlockSizes), Math.Max(1, Math.Min(bytes.Length, int.MaxValue)));
        var last = Math.Max(0, (Math.Min(bytes.Length, 64 << 20) / size) - 1);
        var (from, to) = (random.Between(0, last) * size, random.Between(0, last) * size);
        var (a, b) = (new byte[size], new byte[size]);
        bytes.Read(from, a);
        bytes.Read(to, b);
        switch (random.Between(0, 3))
        {
            case 0:
                bytes.Write(from, b);
                bytes.Write(to, a);
                return $"{size} bytes at {from} and {to} exchanged";
            case 1:
                bytes.Write(to, a);
                return $"{size} bytes at {from} copied to {to}";
            case 2:
                bytes.Clear(to, size);
                return $"{size} bytes at {to} cleared";
            default:
                b.AsSpan().Fill(byte.MaxValue);
                bytes.Write(to, b);
                return $"{size} bytes at {to} set to 0xff";
        }
    }

    private static string Truncate(SeededRandom random, CorpusFile file, PagedBytes bytes)
    {
        var length = random.Between(0, 3) switch
        {
            0 => random.Between(0, bytes.Length),
            1 => random.Between(0, bytes.Length / 512) * 512,
            2 => Math.Max(0, bytes.Length - random.Between(1, 2048)),
            _ => file.Sites.Count > 0 ? Math.Min(bytes.Length, random.Pick(file.Sites).Offset + random.Between(0, 8)) : bytes.Length / 2,
        };
        bytes.SetLength(length);
        return $"cut to {length} bytes";
    }

    private static string Extend(SeededRandom random, PagedBytes bytes)
    {
        var by = random.Between(0, 3) switch { 0 => random.Between(1, 1023), 1 => 512 * random.Between(1, 64), 2 => 1L << (int)random.Between(16, 32), _ => 1L << (int)random.Between(30, 50) };
        bytes.SetLength(bytes.Length + by);
        return $"a hole of {by} bytes at the end";
    }

    /// <summary>A file that looks long enough for what a number claims: only the reader's own bounds stand between the two.</summary>
    private static string Stretch(SeededRandom random, CorpusFile file, PagedBytes bytes)
    {
        bytes.SetLength(Math.Max(bytes.Length, 1L << (int)random.Between(27, 45)));
        List<string> words = [$"stretched to {bytes.Length} bytes"];
        for (var left = random.Between(1, 3); left > 0; left--)
        {
            var site = random.Pick(random.Pick(file.Groups));
            var old = Read(bytes, site);
            var value = random.Between(0, 2) switch
            {
                0 => 1UL << (int)random.Between(0, (site.Size * 8) - 1),
                1 => old << (int)random.Between(1, 16),
                _ => old | ((ulong)random.Between(1, 255) << (8 * (int)random.Between(0, site.Size - 1))),
            };
            words.Add(Set(random, site, old, value, bytes));
        }

        return string.Join(", ", words);
    }

    private static ulong Read(PagedBytes bytes, Site site)
    {
        Span<byte> field = stackalloc byte[site.Size];
        field[bytes.Read(site.Offset, field)..].Clear();
        return Numbers.Read(field, site.IsBigEndian);
    }
}
