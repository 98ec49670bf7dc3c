namespace VmRepl.Images.Vhdx;

/// <summary>Looks at every entry of the table ([MS-VHDX] 2.5.1.1, 2.5.1.2): places outside the file, over structures or over each other, states that do not exist, space that nothing names.</summary>
internal static class VhdxCheck
{
    private const int FindingsMax = 100;

    public static IReadOnlyList<ImageFinding> Run(VhdxFile file, VhdxStructure structure, BlockTable table, bool hadLog)
    {
        var findings = new List<ImageFinding>();
        var damaged = 0L;
        if (hadLog && file.File.IsReadOnly) findings.Add(new ImageFinding(false, $"{file.Path}: was not closed; its log is sound, and the next writer replays it"));
        try
        {
            var space = VhdxSpace.Read(file, structure, table, damage =>
            {
                // An image that is nothing but damage would make any number of messages.
                if (damaged++ >= FindingsMax) throw file.Mismatch(structure.Regions.Bat.Offset, "block allocation table", $"of at most {FindingsMax} damaged entries to be looked at further", "of more");
                findings.Add(new ImageFinding(true, damage.Message));
            });
            if (space.FreeUnits > 0) findings.Add(new ImageFinding(false, $"{file.Path}: {space.FreeUnits} MiB of the file are used by nothing"));
        }
        catch (ImageFormatException e)
        {
            findings.Add(new ImageFinding(true, e.Message));
        }

        return findings;
    }
}
